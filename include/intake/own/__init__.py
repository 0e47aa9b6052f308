"""What goes beyond Klaviyo: /restock/v1, described by its own OpenAPI."""
