"""The Klaviyo-compatible API: a shop changes a host name and keeps its theme, SDK and integrations."""
