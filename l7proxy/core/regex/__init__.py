"""Whether a regular expression can take long, which is asked when a configuration is loaded.

- `danger`: finds out what in an expression could take long, with which text
- `graph`: the ways that a match can go, those that come to nothing and the one that succeeds
- `automaton`: an expression's characters, and the ways from one to the next
- `states`: the expression that these are made of
- `uses`: what an expression is used for
- `text`: Python's own parser, and what it returns written down again
"""
