"""The public door: it takes requests, stock and events, and never sends."""
