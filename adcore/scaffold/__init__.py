"""What ``adcore new`` copies: a working component of each kind, and the files around it.

Each ``<kind>.py`` holds one component that is called ``Template`` and passes the conformance kit as it stands.
"""
