"""What a team would write first: the same message by Django alone, by tasks, by post_office."""
