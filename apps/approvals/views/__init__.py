"""The HTML face of approvals: the queue and its card, what is picked from the queue, one's own views of it."""
