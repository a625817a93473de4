"""What puts the flows on a schedule and the parts on machines."""
