"""The tools: what can be asked of a configuration without sending it traffic.

- `check`: is it valid?
"""
