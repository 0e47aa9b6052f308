"""Where the links of mails lead: a small page that asks, and a button that does it."""
