"""Looking at runs: their list, what makes two differ, how one is made again."""
