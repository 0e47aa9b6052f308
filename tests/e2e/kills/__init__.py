"""SIGKILL at random moments while thousands of messages are on their way (SEMANTICS 6.2, 6.3)."""
