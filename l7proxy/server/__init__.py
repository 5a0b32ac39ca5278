"""The HTTP listener: real clients in front of the same core that the node has.

- `connection`: one client's connection, a state machine over requests and responses
- `request`, `forwarding`: what the core and the backends learn of a request
- `answers`: error pages and other responses of our own
- `service`: one configuration at work
- `clock`: time passes in the core
- `listener`: the sockets, and the connections that came in
- `server`: one process: serve, reload, drain
- `reloader`: when the configuration is read anew, and what if it is wrong
- `workers`: several processes, and who looks after them
- `loop`: which event loop
"""
