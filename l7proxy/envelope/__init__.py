"""JSON envelopes as a wire format, without I/O: what `http1` is for HTTP/1.1.

- `framing`: bytes to JSON texts, and how to find the next message after a broken one
- `decode`: JSON texts to envelopes
- `encode`: replies to lines
- `errors`: what is wrong with a message, and Maelstrom's codes for it
- `members`: headers and bodies inside JSON
- `request`, `response`: envelope bodies to and from the core's messages
"""
