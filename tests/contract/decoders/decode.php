<?php
// Reads replies, one a line in base64, and prints each as JSON. Arguments: the folder of the generated classes.
spl_autoload_register(function (string $class) use ($argv): void {
    $name = str_replace('\\', '/', $class) . '.php';
    foreach ([$argv[1], '/usr/share/php'] as $folder) {
        if (is_file("$folder/$name")) {
            require_once "$folder/$name";
            return;
        }
    }
});
while (($line = fgets(STDIN)) !== false) {
    $reply = new Muster\V1\Reply();
    $reply->mergeFromString(base64_decode(trim($line)));
    echo $reply->serializeToJsonString(), "\n";
}
