"""The HTTP listener: real clients in front of the same core that the node has.

- `connection`: one client's connection, a state machine that goes from request to request
- `read_ahead`: what the client has sent ahead of what is being answered
- `client_request`: the request that a connection is busy with, from its head to its response
- `response_writer`: turns responses into the bytes that a client gets
- `client_timer`: how long the client may take, while it is its turn
- `tunnel`: a connection that has stopped being HTTP
- `prepared`: a request as the core sees it
- `forwarding`: what backends are told about the client
- `local_response`: error pages and other responses of the proxy's own
- `access_log`: the file that requests are written down in
- `log_writer`: writes to it in a thread of its own
- `redaction`: what that file says in place of credentials
- `service`: one configuration at work, with what connections need of it
- `clock`: drives the core's timers
- `acceptor`: accepts connections on a socket, while there are descriptors
- `listener`: accepts connections, and ends those whose clients are too slow
- `server`: one process: it serves, reloads and drains
- `reloader`: reads the configuration anew when it is asked to or a file has changed
- `workers`: several processes, and the one that supervises them; `reload_reports`: how they say
  once that all have reloaded
- `tls`: the certificates that clients are shown; `certificate_dates`: until when one is valid
- `client_hello`: the name that a client of TLS asks for
- `preflight`: what a start would meet outside of the configuration, for `check` too
- `loop`: chooses the event loop, uvloop or asyncio's own
"""
