"""What puts the flows on a schedule and runs what is due."""
