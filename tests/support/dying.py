"""A port that ends its user at a chosen call."""


class Dying:
    """``port``, whose answer to ``call`` nobody lives to hear: it was done, and then ``die`` comes."""

    def __init__(self, port, call, die):
        self._port, self._call, self._die = port, call, die

    def __getattr__(self, name):
        method = getattr(self._port, name)

        def call(*arguments):
            answer = method(*arguments)
            if name == self._call:
                self._die()
            return answer

        return call
