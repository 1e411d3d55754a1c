"""`thinkgate bench`: how fast servers are."""
