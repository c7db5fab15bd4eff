"""Recipes that come with adcore: `adcore run unified.yaml` finds them by name."""
