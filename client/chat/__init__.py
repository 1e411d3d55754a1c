"""`thinkgate chat`: one question, a template, or a conversation at the keyboard."""
