"""What mail providers post: bounces and complaints, believed only with the secret and, where given, a signature."""
