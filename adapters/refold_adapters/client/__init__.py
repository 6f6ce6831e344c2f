"""What a program calls: clients, plain and asyncio, their handles, and the query language of lists."""
