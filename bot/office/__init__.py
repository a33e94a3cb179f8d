"""What admins change while Potluck runs: every change at an address, audited with before and after, and undone by it.

`edits` says what a change is; `office` makes one, in one transaction with its line of the audit, and puts it in force.
What is in force is read from `Office.laid_down`, each kind by a module of its own: `own_terms` and `roster` (members,
roles), `pool_rules` (pause, caps, reserves), `house_rules` (models, personas, channels), `named` (admins).
"""
