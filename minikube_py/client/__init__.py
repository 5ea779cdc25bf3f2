"""How a daemon talks to the API server: transports, REST client, informer, work queue, controllers."""
