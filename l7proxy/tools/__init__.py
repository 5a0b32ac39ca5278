"""The tools: what can be asked of a configuration without sending it traffic.

- `check`: is it valid, and what in it is hardly meant?
- `schema`: what may it say?
- `explain`: where would one request go, and why?
- `replay`, `metrics`, `page`: what does it make of recorded traffic? `formats` reads that.
- `diff`: what would another configuration, or was in reality, different?
- `cases`: does it do what its golden conversations and cases say?
- `arguments`: what the command line says of the traffic
- `printable`: what is told with words of others in it
"""
