"""What synthesizers share: where a defect goes, what fills it, how it is blended, and what counts as a change."""
