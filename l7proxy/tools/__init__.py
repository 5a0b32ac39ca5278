"""The tools: what can be asked of a configuration without sending it traffic.

- `check`: is it valid, and what in it is hardly meant?
- `schema`: what may it say?
- `explain`: where would one request go, and why?
- `replay`: what does it make of recorded traffic, which `formats` reads? `metrics` counts that, and
  `page` shows it, with `plots` in the `template` that is `page.html`.
- `diff`: what does another configuration, or what was answered in reality, make different?
- `cases`, `golden`: does it do what its cases and golden conversations say? `coverage` knows which
  routes they reached.
- `arguments`: the options of the command line that say what the traffic is
- `printable`: texts of others on a terminal
"""
