"""Music recommendation by listening: from a playlist folder to a ranking of your own library."""
