"""The routes: one handler each, their typed bodies, and what makes a body valid."""
