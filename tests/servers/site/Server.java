// SPDX-License-Identifier: MIT

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/** An HTTP server on the socket that `lowport run --stdin` passes, or on a port of its own. */
public class Server {
    private static final String ANSWER = "HTTP/1.0 200 OK\r\n\r\nhello from java\n";

    private static ServerSocketChannel listen() throws IOException {
        if (System.inheritedChannel() instanceof ServerSocketChannel inherited)
            return inherited;
        return ServerSocketChannel.open().bind(new InetSocketAddress(80));
    }

    /** Reads the request's head first: to close with bytes unread would reset the connection. */
    private static void serve(SocketChannel client) throws IOException {
        ByteBuffer request = ByteBuffer.allocate(8192);
        while (!text(request).contains("\r\n\r\n"))
            if (client.read(request) <= 0)
                return;
        client.write(ByteBuffer.wrap(ANSWER.getBytes(StandardCharsets.US_ASCII)));
    }

    private static String text(ByteBuffer buffer) {
        return new String(buffer.array(), 0, buffer.position(), StandardCharsets.US_ASCII);
    }

    public static void main(String[] arguments) throws IOException {
        ServerSocketChannel listener = listen();
        while (true) {
            try (SocketChannel client = listener.accept()) {
                serve(client);
            }
        }
    }
}
