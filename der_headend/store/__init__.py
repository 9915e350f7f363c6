"""Stores behind the ports of ``der_headend.ports``; ``factory`` chooses one."""
