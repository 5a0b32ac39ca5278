"""The tools: what can be asked of a configuration without sending it traffic.

- `check`: finds every mistake in it, and what is valid but hardly meant: `mistakes`, and regular
  expressions that `never_matches` finds to match nothing
- `schema`: its JSON Schema
- `explain`: where one request goes, and why
- `replay`: plays recorded traffic to it, which `formats` reads; `metrics` counts what comes of it,
  `page` shows that as a web page, with `plots` in the `template` that is `page.html`
- `diff`: what another configuration answers differently, or what was answered in reality;
  `outcome` is what it compares
- `cases`, `golden`: tests it by cases and golden conversations; `coverage` counts the routes that
  they reach
- `arguments`: the options about traffic that `replay` and `diff` share; `log_files` opens it
- `printable`: escapes texts from outside for a terminal
"""
