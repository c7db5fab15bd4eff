"""What users see of a run: pictures of maps, charts, and the report page."""
