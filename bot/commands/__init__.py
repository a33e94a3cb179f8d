"""Every command once, for every platform.

A `Command` is data: its path, what it is about, typed parameters, who may use it, and a handler. A handler gets a
`Call` (who calls, where, with which checked values, and the `Desk` of what commands work with) and returns an
`Answer`: structured, without markup. What it says are `Say`s: an English sentence with values, put into the reader's
language, clock and mentions by `adapters/rendering/saying`.

`Registry` is what an adapter binds: `commands` to register natively, `usable(caller)` to show, `suggest` for
autocomplete, and `run`, which checks rights and values at each call, whatever the platform showed. It never raises
for what a person did; what they did wrong is an answer with `ok=False`.

A command stands in the file of its group, in its `COMMANDS`. A new group is one more line in `registry.py`.
"""
