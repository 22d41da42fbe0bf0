"""Live sessions over a WebSocket: sound goes in, emotions come out while people speak."""
