"""What the gateway is told: settings, the sources they come from, and API keys."""
