"""What things cost, beside something that runs in turns with them. README.md names the scripts."""
