"""How far one database carries: leases a second, beside what its disk and its driver can do at best."""
