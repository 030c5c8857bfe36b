"""What a study has come to: its gain, its ties, what each parameter and each two of them do."""
