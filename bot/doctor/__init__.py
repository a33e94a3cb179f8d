"""`potluck doctor`: what would keep this Potluck from running, found before its members find it.

It looks and changes nothing: no database is made, no unit of the allowance is spent, and no secret is named.
"""
