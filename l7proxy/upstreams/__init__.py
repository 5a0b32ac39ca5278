"""The upstreams: what stands behind the pools, and carries out the attempts of exchanges.

- `base`: the interface of all upstreams
- `simulated`: backends that behave as the configuration says
- `envelope`: backends that are other nodes, asked in envelopes
- `http`: backends that speak HTTP, over pooled connections
- `file_signature`: tells whether a file that was read is still the same
- `exhaustion`: tells our own shortages from backends that can't be reached
- `dispatcher`: starts the attempts, and delivers the exchanges that have ended to the shell
"""
