"""What keeps the topics up to date: from the picture of the fleet, or from the headend, to cells. No elements."""
