"""The tools: what can be asked of a configuration without sending it traffic.

- `check`: is it valid, and what in it is hardly meant?
- `schema`: what may it say?
"""
