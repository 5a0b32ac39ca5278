"""How an attempt is carried out: what stands behind the pools.

- `base`: what an upstream is
- `simulated`: answers by itself, from the configuration
- `envelope`: asks other nodes, in envelopes
- `http`: pooled connections to real backends
- `stamp`: whether a file that was read is still the same
- `dispatcher`: brings exchanges, upstreams and their shell together
"""
