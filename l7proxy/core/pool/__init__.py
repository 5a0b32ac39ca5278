"""A pool of backends.

- `backend`: one backend's state
- `pool`: who of them may be given a request now, and who waits for one
- `events`: what a pool's policies hear of the requests on its backends
"""
