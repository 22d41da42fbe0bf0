"""Live sessions over a WebSocket: sound in, emotions out during speech."""
