"""The protocol of live sessions as an AsyncAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from mmerc.serving.live.asyncapi_examples import CLIENT_EXAMPLES, SERVER_EXAMPLES
from mmerc.serving.live.client_messages import CLIENT_MESSAGES
from mmerc.serving.live.server_messages import SERVER_MESSAGES
from mmerc.version import __version__

LIVE_PATH = "/v1/live"
_ABOUT = """\
Send sound and receive emotions while people speak.

The first message is `start`, or `resume` after a lost connection. Then send sound in binary
messages: mono samples at 16 kHz without a header (`pcm_s16le`, `pcm_f32le`), or the
`audio/webm;codecs=opus` of a browser's MediaRecorder, in pieces of any size. A `picture` message
without `jpeg` says that the next binary message is the picture. `end` ends the
session; the service answers with the last events and `ended`, and closes the connection.

After a lost connection, `resume` with the last `sequence` seen: the events after it are sent again,
and the sound is expected from byte `received` on. A service that is behind stops reading until it
has room, so watch `behind` in `stats`.
"""


def describe_protocol(root_path: str) -> dict[str, Any]:
    """Return the document for a service under a path prefix."""
    models: tuple[type[BaseModel], ...] = (*CLIENT_MESSAGES, *SERVER_MESSAGES)
    template = "#/components/schemas/{model}"
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template=template
    )
    names = {model: _message_name(model) for model in models}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "mmerc live", "version": __version__, "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {
            "live": {
                "address": f"{root_path}{LIVE_PATH}",
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"} for name in names.values()
                },
            }
        },
        "operations": {
            "listen": _describe_operation("receive", [names[m] for m in CLIENT_MESSAGES]),
            "report": _describe_operation("send", [names[m] for m in SERVER_MESSAGES]),
        },
        "components": {
            "messages": {names[model]: _describe_message(model) for model in models},
            "schemas": schemas["$defs"],
        },
    }


def _message_name(model: type[BaseModel]) -> str:
    """Return a message's type as its name; made unique because both sides send ``words``."""
    kind: str = model.model_fields["type"].annotation.__args__[0]  # type: ignore[union-attr]
    return f"client_{kind}" if model in CLIENT_MESSAGES and kind == "words" else kind


def _describe_operation(action: str, names: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/live"},
        "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in names],
    }


def _describe_message(model: type[BaseModel]) -> dict[str, Any]:
    kind = _message_name(model)
    examples = (CLIENT_EXAMPLES if model in CLIENT_MESSAGES else SERVER_EXAMPLES)[kind]
    return {
        "name": kind,
        "summary": (model.__doc__ or "").strip().splitlines()[0],
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": [{"payload": payload} for payload in examples],
    }
