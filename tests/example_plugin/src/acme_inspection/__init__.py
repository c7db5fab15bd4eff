"""Acme's components for adcore; each file holds one."""
