"""Tests of the sans-I/O HTTP/1.1 room."""
