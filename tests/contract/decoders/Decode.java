/* Reads replies, one a line in base64, and prints each as JSON. */
import com.google.protobuf.util.JsonFormat;
import dev.muster.v1.Reply;
import java.util.Base64;
import java.util.Scanner;

public class Decode {
    public static void main(String[] arguments) throws Exception {
        Scanner lines = new Scanner(System.in);
        while (lines.hasNextLine()) {
            Reply reply = Reply.parseFrom(Base64.getDecoder().decode(lines.nextLine()));
            System.out.println(JsonFormat.printer().omittingInsignificantWhitespace().print(reply));
        }
    }
}
