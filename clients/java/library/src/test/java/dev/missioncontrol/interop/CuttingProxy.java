package dev.missioncontrol.interop;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Stands between a client and a coordinator, on a port of its own, and cuts their connections. */
final class CuttingProxy implements AutoCloseable {
  private final String host;
  private final int port;
  private final ServerSocket server;
  private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();

  CuttingProxy(String address) throws IOException {
    int colon = address.lastIndexOf(':');
    host = address.substring(0, colon);
    port = Integer.parseInt(address.substring(colon + 1));
    server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    inBackground(this::accept);
  }

  String address() {
    return "127.0.0.1:" + server.getLocalPort();
  }

  /** Cuts every connection. The next ones go through. */
  void cut() {
    sockets.forEach(CuttingProxy::close);
    sockets.clear();
  }

  @Override
  public void close() throws IOException {
    server.close();
    cut();
  }

  private void accept() throws IOException {
    while (true) {
      Socket client = server.accept();
      Socket coordinator = new Socket(host, port);
      sockets.add(client);
      sockets.add(coordinator);
      inBackground(() -> copy(client, coordinator));
      inBackground(() -> copy(coordinator, client));
    }
  }

  private static void copy(Socket from, Socket to) throws IOException {
    try (InputStream input = from.getInputStream();
        OutputStream output = to.getOutputStream()) {
      input.transferTo(output);
    }
  }

  private interface Action {
    void run() throws IOException;
  }

  private static void inBackground(Action action) {
    Runnable quietly =
        () -> {
          try {
            action.run();
          } catch (IOException cut) {
            // That is what this is for; each side sees it by itself.
          }
        };
    Thread thread = new Thread(quietly, "cutting-proxy");
    thread.setDaemon(true);
    thread.start();
  }

  private static void close(Socket socket) {
    try {
      socket.close();
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
