"""A backend in a process of its own, to be killed, frozen and restarted: python backend.py PORT

/bytes/N answers with N bytes; whatever has a body is answered with how many bytes that had;
everything else is answered after a few milliseconds.
"""

from __future__ import annotations

import asyncio
import sys

BLOCK = b"\0" * (256 * 1024)


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1]
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            left = length
            while left and (data := await reader.read(min(left, len(BLOCK)))):
                left -= len(data)
            size = int(target.rpartition(b"/")[2]) if b"/bytes/" in target else None
            if size is None:
                await asyncio.sleep(0.003)
                body = b"%d" % length
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                continue
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            while size > 0:
                writer.write(BLOCK[:size])
                size -= len(BLOCK)
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(talk, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    print(flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
