"""Consumers of Django Channels."""

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class TalkConsumer(AsyncJsonWebsocketConsumer):
    """A room: what one says, all hear, on whatever process they are."""

    async def connect(self):
        self.group = "talk-%s" % self.scope["url_route"]["kwargs"]["room"]
        self.name = self.scope["user"].username or "stranger"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.say("came in")

    async def disconnect(self, code):
        await self.say("left")
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, content):
        await self.say(str(content.get("text", "")))

    async def say(self, text):
        await self.channel_layer.group_send(self.group, {"type": "talk.said", "who": self.name, "text": text})

    async def talk_said(self, event):
        await self.send_json({"who": event["who"], "text": event["text"]})
