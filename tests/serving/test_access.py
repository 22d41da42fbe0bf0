"""Which requests come from the service's own page."""

import pytest
from starlette.datastructures import Headers

from mmerc.serving.access import _is_same_origin


@pytest.mark.parametrize(
    ("expected", "headers"),
    [
        (True, {"host": "mmerc.lan:8000"}),  # no browser
        (True, {"host": "mmerc.lan:8000", "origin": "http://mmerc.lan:8000"}),
        (True, {"host": "MMERC.lan", "origin": "https://mmerc.lan"}),
        (True, {"host": "mmerc.lan:443", "origin": "https://mmerc.lan"}),
        (True, {"host": "[::1]:8000", "origin": "http://[::1]:8000"}),
        (False, {"host": "mmerc.lan:443", "origin": "http://mmerc.lan"}),
        (False, {"host": "mmerc.lan:8000", "origin": "http://mmerc.lan:8001"}),
        (False, {"host": "mmerc.lan", "origin": "http://mmerc.lan.elsewhere.example"}),
        (False, {"host": "mmerc.lan", "origin": "http://elsewhere.example"}),
        (False, {"host": "mmerc.lan", "origin": "null"}),
        (False, {"host": "mmerc.lan", "origin": "http://[bad"}),
        (False, {"host": "", "origin": "null"}),
        # a proxy that forwards the requested host
        (True, {"host": "127.0.0.1:8000", "x-forwarded-host": "mmerc.lan:81",
                "origin": "http://mmerc.lan:81"}),
        (False, {"host": "127.0.0.1:8000", "x-forwarded-host": "mmerc.lan",
                 "origin": "http://elsewhere.example"}),
        # set by browsers, whatever a proxy does to the host
        (True, {"host": "127.0.0.1:8000", "sec-fetch-site": "same-origin",
                "origin": "https://mmerc.lan"}),
        (True, {"host": "mmerc.lan", "sec-fetch-site": "none"}),
        (False, {"host": "mmerc.lan", "sec-fetch-site": "same-site",
                 "origin": "http://mmerc.lan"}),
        (False, {"host": "mmerc.lan", "sec-fetch-site": "cross-site",
                 "origin": "http://mmerc.lan"}),
    ],
)  # fmt: skip
def test_own_and_cross_site_requests(expected, headers):
    assert _is_same_origin(Headers(headers)) is expected
