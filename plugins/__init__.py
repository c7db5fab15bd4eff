"""The components that come with adcore; each file holds one, registered by an entry point like anybody else's."""
