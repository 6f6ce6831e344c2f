"""What workers and clients live on: time that passes, things that go on beside each other, and waiting for them."""
